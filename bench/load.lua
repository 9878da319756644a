-- wrk's script: the tokens of a file in rotation, every answer looked at, the sums as one line of JSON.
-- wrk -s load.lua URL -- TOKENS ANSWER_BYTES

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  requests, turn, wrong = {}, 0, 0
  size = tonumber(args[2])
  for token in io.lines(args[1]) do
    table.insert(requests, wrk.format("GET", nil, {
      ["Authorization"] = "Bearer " .. token,
      ["Accept"] = "application/json",
      ["User-Agent"] = "bench",
    }))
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function response(status, headers, body)
  if status < 200 or status > 299 or #body ~= size then
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
