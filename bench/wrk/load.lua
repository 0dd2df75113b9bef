-- The load. The first word after `--` says what a request looks like:
--   plain    wrk's own GET, connection kept
--   browser  13 fields as a browser sends them, Host first, connection kept
--   close    a new connection for each request
--   post     a body of 2^20 bytes, connection kept
-- Ends with one line of JSON on standard output: counts, microseconds, bytes.

local browser = {
  "Cache-Control: max-age=0",
  "DNT: 1",
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Dest: document",
  "Referer: http://127.0.0.1/catalogue/list?page=2&order=name",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
  "Cookie: ASPSESSIONIDQQTBSCRD=LKMNBVCXZASDFGHJKLPOIUYT; theme=light; visits=17",
}

function init(arguments)
  local kind = arguments[1] or "plain"
  if kind == "browser" then
    local lines = { "GET " .. wrk.path .. " HTTP/1.1", "Host: " .. wrk.headers["Host"] }
    for _, field in ipairs(browser) do lines[#lines + 1] = field end
    local request = table.concat(lines, "\r\n") .. "\r\n\r\n"
    -- wrk builds its request once, by this function: its own puts the fields into the order of a hash table
    wrk.format = function() return request end
  elseif kind == "close" then
    wrk.headers["Connection"] = "close"
  elseif kind == "post" then
    wrk.method = "POST"
    wrk.body = string.rep("0123456789abcdef", 65536)
    wrk.headers["Content-Type"] = "application/octet-stream"
  elseif kind ~= "plain" then
    error("unknown kind of load: " .. kind)
  end
end

function done(summary, latency, _)
  local failed = summary.errors
  local numbers = {
    { "requests", summary.requests },
    { "duration_us", summary.duration },
    { "bytes", summary.bytes },
    { "p50_us", latency:percentile(50) },
    { "p99_us", latency:percentile(99) },
    { "connect_errors", failed.connect },
    { "read_errors", failed.read },
    { "write_errors", failed.write },
    { "status_errors", failed.status },
    { "timeouts", failed.timeout },
  }
  local parts = {}
  for _, number in ipairs(numbers) do
    parts[#parts + 1] = string.format('"%s": %d', number[1], number[2])
  end
  io.write("wrk-result {" .. table.concat(parts, ", ") .. "}\n")
end
