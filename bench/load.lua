-- wrk's script: the credentials of a file in rotation, every answer looked at, the sums as one line of JSON.
-- wrk -s load.lua URL -- CREDENTIALS METHOD BODY_BYTES STATUS ANSWER_BYTES
-- CREDENTIALS holds a header line for each user; ANSWER_BYTES below 0: whatever comes.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  requests, turn, wrong = {}, 0, 0
  local method, bytes = args[2], tonumber(args[3])
  status_wanted, size = tonumber(args[4]), tonumber(args[5])
  local headers = {
    ["Accept"] = "application/json",
    ["Origin"] = "http://localhost:3000",
    ["User-Agent"] = "bench",
  }
  local body = nil
  if bytes > 0 then
    body = '{"text":"' .. string.rep("x", bytes - 11) .. '"}'
    headers["Content-Type"] = "application/json"
  end
  for line in io.lines(args[1]) do
    local name, value = line:match("^([^:]+): (.*)$")
    headers[name] = value
    table.insert(requests, wrk.format(method, nil, headers, body))
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function response(status, headers, body)
  if status ~= status_wanted or (size >= 0 and #body ~= size) then
    wrong = wrong + 1
  end
end

function done(summary, latency)
  local wrong, errors = 0, summary.errors
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
  end
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "wrong": %d, "broken": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    wrong, errors.connect + errors.read + errors.write + errors.timeout))
end
