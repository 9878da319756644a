// The page's elements: by id, and new ones. Text goes in as text, never as markup.

export const byId = (id) => document.getElementById(id);

/** A new element; properties as on the object (`className`, `onclick`), children are elements or text. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Says something at the top of the page, and to who listens to it; nothing takes it away. */
export function notice(text = "", bad = false) {
  const place = byId("notice");
  place.textContent = text;
  place.classList.toggle("bad", bad);
}

/** Runs `action(fields, form)` on submit, with the form's buttons off meanwhile; its failure becomes a notice. */
export function onSubmit(id, action) {
  const form = byId(id);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await guarded(() => action(new FormData(form, event.submitter), form), form.querySelectorAll("button"));
  });
}

/** Runs an action; `buttons` are off until it is done, and have the focus again; its failure becomes a notice. */
export async function guarded(action, buttons = []) {
  const focused = document.activeElement;
  buttons.forEach((button) => (button.disabled = true));
  try {
    notice();
    await action();
  } catch (error) {
    notice(error.retryAfter ? `${error.message}. Try again in ${Math.ceil(error.retryAfter)} s.` : error.message, true);
  } finally {
    buttons.forEach((button) => (button.disabled = false));
    if (focused?.isConnected && document.activeElement === document.body) focused.focus();
  }
}
