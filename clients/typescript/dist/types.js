// What `client.get("/interviews/{id}", …)` takes and gives, read from the description of the API.
export {};
