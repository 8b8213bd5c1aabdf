-- For wrk: arguments METHOD PATH FILE KIND, where the lines of FILE are bodies, or ends of the path, in turn; or FILE is
-- one body as a whole. At the end one line of JSON with wrk's own counts and latencies (microseconds).

local made, at = {}, 0

local function lines_of(name)
  local found = {}
  for line in io.lines(name) do found[#found + 1] = line end
  return found
end

local function whole(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  local method, path, name, kind = args[1], args[2], args[3], args[4]
  if kind == "whole" then
    made[1] = wrk.format(method, path, nil, whole(name))
  elseif kind == "paths" then
    for i, last in ipairs(lines_of(name)) do made[i] = wrk.format(method, path .. last) end
  else
    for i, body in ipairs(lines_of(name)) do made[i] = wrk.format(method, path, nil, body) end
  end
end

function request()
  at = at % #made + 1
  return made[at]
end

function done(summary, latency, requests)
  local lost = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "took_us": %d, "bytes": %d, "p50_us": %d, "p90_us": %d, "p99_us": %d, "max_us": %d, ' ..
    '"refused": %d, "failed": %d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(90),
    latency:percentile(99), latency.max, lost.status, lost.connect + lost.read + lost.write + lost.timeout))
end
