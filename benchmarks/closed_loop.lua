-- Requests of a closed loop: prepared bodies, one after another, each under an idempotency key of its own.
-- wrk -s closed_loop.lua URL -- FILE PREFIX OFFSET COUNT
-- FILE.tokens: a token a line. FILE: a line for each request: number of its token, tab, path, tab, body;
-- without a body it is a GET. Reading begins behind OFFSET requests and takes COUNT of them, again and again.
-- PREFIX begins the keys of this run. Where a body says @KEY@, as the items of a batch do, the key stands too,
-- and the answers' items that are problems are counted.

local heads, bodies, number, prefix = {}, {}, 0, ""
local WIDTH = 8
local threads = {}
problems = 0

function setup(thread)
    threads[#threads + 1] = thread
end

local function count_problems(_, _, body)
    for _ in body:gmatch('"problem":') do
        problems = problems + 1
    end
end

function init(args)
    local file = assert(io.open(args[1], "r"))
    prefix = args[2]
    local offset, count = tonumber(args[3]), tonumber(args[4])
    local tokens = {}
    for token in io.lines(args[1] .. ".tokens") do
        tokens[#tokens + 1] = token
    end
    for _ = 1, offset do
        file:read("*l")
    end
    for line in file:lines() do
        if #heads == count then break end
        local token, path, body = line:match("^(%d+)\t([^\t]+)\t(.*)$")
        local _, places = body:gsub("@KEY@", "@KEY@")
        local length = #body + places * (#prefix + WIDTH - 5)
        heads[#heads + 1] = (#body > 0 and "POST " or "GET ") .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port ..
            "\r\nContent-Type: application/json\r\nAuthorization: Bearer " .. tokens[tonumber(token) + 1] ..
            "\r\nContent-Length: " .. length .. "\r\nIdempotency-Key: "
        bodies[#bodies + 1] = { places > 0, body }
        if places > 0 then
            response = count_problems
        end
    end
    file:close()
    assert(#heads > 0, "no requests")
end

function request()
    local at = number % #heads + 1
    number = number + 1
    local key = prefix .. string.format("%08d", number)
    local body = bodies[at][2]
    if bodies[at][1] then
        body = body:gsub("@KEY@", key)
    end
    return heads[at] .. key .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
    local errors, items = summary.errors, 0
    for _, thread in ipairs(threads) do
        items = items + thread:get("problems")
    end
    io.write(string.format(
        '\nRESULT {"requests":%d,"duration_us":%d,"bytes":%d,"status_errors":%d,"socket_errors":%d,' ..
        '"item_errors":%d}\n',
        summary.requests, summary.duration, summary.bytes, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, items))
end
