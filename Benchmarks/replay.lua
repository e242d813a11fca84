-- Replays requests that were made beforehand, each once: REQUESTS names a file of them, separated by NUL. Every thread
-- takes its share. Without REQUESTS: GETs of the paths in PATHS (one a line), or what the command line says.
-- The result is one line of JSON.

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

function init(arguments)
    local share = tonumber(os.getenv("WRK_THREADS") or "1")
    local requests, count = {}, 0
    local name = os.getenv("REQUESTS")
    if name then
        local file = io.open(name, "rb")
        local all = file:read("*a")
        file:close()
        local index = 0
        for text in all:gmatch("[^%z]+") do
            if index % share == number then
                count = count + 1
                requests[count] = text
            end
            index = index + 1
        end
    elseif os.getenv("PATHS") then
        local index = 0
        for path in io.lines(os.getenv("PATHS")) do
            if index % share == number then
                count = count + 1
                requests[count] = wrk.format("GET", path)
            end
            index = index + 1
        end
    end
    if count == 0 then return end
    local once = name ~= nil
    local next = 0
    request = function()
        next = next + 1
        if next > count then
            if once then wrk.thread:stop() end
            next = 1
        end
        return requests[next]
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"max":%d,"bad":%d,"broken":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
