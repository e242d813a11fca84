-- Replays requests that were made beforehand, each once: REQUESTS names a file of them, each behind its length (32 bits,
-- little endian). Every thread takes its share. REPEAT=yes begins anew at the end of the file. Without REQUESTS: GETs of
-- the paths in PATHS (one a line), or what the command line says. The result is one line of JSON.
--
-- The file is mapped, not read: wrk's first thread sends while the script of the second one is still being loaded, and
-- what it sends then would count as sent within the measured time.

local ffi = require("ffi")
ffi.cdef([[
int open(const char *path, int flags);
long lseek(int descriptor, long offset, int whence);
void *mmap(void *address, unsigned long length, int protection, int flags, int descriptor, long offset);
]])

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

local function replay(name, share, number, repeats)
    local descriptor = ffi.C.open(name, 0)
    local size = tonumber(ffi.C.lseek(descriptor, 0, 2))
    -- PROT_READ, MAP_SHARED
    local base = ffi.cast("const char *", ffi.C.mmap(nil, size, 1, 1, descriptor, 0))
    local offset, index = 0, 0
    return function()
        while true do
            if offset >= size then
                if not repeats then wrk.thread:stop() end
                offset, index = 0, 0
            end
            local length = ffi.cast("const uint32_t *", base + offset)[0]
            local start = offset + 4
            local mine = index % share == number
            offset, index = start + length, index + 1
            if mine then return ffi.string(base + start, length) end
        end
    end
end

function init(arguments)
    local share = tonumber(os.getenv("WRK_THREADS") or "1")
    if os.getenv("REQUESTS") then
        request = replay(os.getenv("REQUESTS"), share, number, os.getenv("REPEAT") ~= nil)
    elseif os.getenv("PATHS") then
        local requests, index = {}, 0
        for path in io.lines(os.getenv("PATHS")) do
            if index % share == number then requests[#requests + 1] = wrk.format("GET", path) end
            index = index + 1
        end
        local next = 0
        request = function()
            next = next % #requests + 1
            return requests[next]
        end
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"max":%d,"bad":%d,"broken":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
