-- wrk: GET the address, each time with the next receipt of a file, or POST a decision by another visitor with another id.
--   wrk ... -s bench/load.lua URL -- get [FILE] | post PATH
-- At the end one line: requests, seconds, median and 99th percentile in microseconds, refused answers, socket errors.

local mode, receipts, path, turn, random = "get", {}, "/", 0, nil
local agents = {
   "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
   "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
   "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
   "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
}
local choices = {
   '"action":"accept_all","choices":{"functional":true,"analytics":true,"marketing":true},"trackers":{},"source":"banner"',
   '"action":"necessary_only","choices":{"functional":false,"analytics":false,"marketing":false},"trackers":{},"source":"banner"',
   '"action":"custom","choices":{"functional":true,"analytics":true,"marketing":false},"trackers":{"hotjar":false},"source":"banner"',
   '"action":"withdraw","choices":{"functional":false,"analytics":false,"marketing":false},"trackers":{},"source":"settings"',
}

local function uuid()
   local hex = random:read(16):gsub(".", function(c) return string.format("%02x", c:byte()) end)
   return hex:sub(1, 8) .. "-" .. hex:sub(9, 12) .. "-4" .. hex:sub(14, 16) .. "-8" .. hex:sub(18, 20) .. "-" .. hex:sub(21)
end

function init(args)
   mode = args[1] or "get"
   random = io.open("/dev/urandom", "rb")
   if mode == "post" then
      path = args[2]
   elseif args[2] then
      for line in io.lines(args[2]) do receipts[#receipts + 1] = line end
   end
end

function request()
   turn = turn + 1
   if mode == "post" then
      local body = '{"id":"' .. uuid() .. '","visitor":"' .. uuid() .. '","version":1,' .. choices[turn % #choices + 1]
         .. ',"language":"nl","gpc":false,"page_group":"home"}'
      return wrk.format("POST", path, {
         ["Content-Type"] = "text/plain", ["User-Agent"] = agents[turn % #agents + 1],
         ["Origin"] = "https://www.shop.example", ["Accept-Encoding"] = "gzip, deflate, br"}, body)
   end
   local headers = {["User-Agent"] = agents[turn % #agents + 1], ["Accept-Encoding"] = "gzip, deflate, br"}
   if #receipts > 0 then headers["Cookie"] = "theme=dark; poort=" .. receipts[turn % #receipts + 1] end
   return wrk.format("GET", nil, headers)
end

function done(summary, latency, requests)
   local errors = summary.errors
   print(string.format("LOAD %d %.6f %.1f %.1f %d %d", summary.requests, summary.duration / 1e6, latency:percentile(50),
      latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
