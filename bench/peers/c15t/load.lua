-- wrk: what a browser and a server ask of c15t, with the arguments of bench/load.lua.
--   wrk ... -s bench/peers/c15t/load.lua URL -- get [FILE] | post PATH
-- With a FILE its lines are put behind the address in turn; posts are consents of ever other subjects.
-- At the end the line of bench/load.lua: requests, seconds, two percentiles in microseconds, refused, socket errors.

local mode, endings, path, turn, random = "get", {}, "/", 0, nil
local alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
local agents = {
   "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
   "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
   "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
   "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
}
local choices = {
   '"preferences":{"necessary":true,"functionality":true,"measurement":true,"marketing":true},"consentAction":"all"',
   '"preferences":{"necessary":true,"functionality":false,"measurement":false,"marketing":false},"consentAction":"necessary"',
   '"preferences":{"necessary":true,"functionality":true,"measurement":true,"marketing":false},"consentAction":"custom"',
}

local function subject()
   return "sub_" .. random:read(27):gsub(".", function(c)
      local place = c:byte() % #alphabet + 1
      return alphabet:sub(place, place)
   end)
end

function init(args)
   mode = args[1] or "get"
   random = io.open("/dev/urandom", "rb")
   if mode == "post" then
      path = args[2]
   elseif args[2] then
      for line in io.lines(args[2]) do endings[#endings + 1] = line end
   end
end

function request()
   turn = turn + 1
   local headers = {
      ["User-Agent"] = agents[turn % #agents + 1], ["Accept-Encoding"] = "gzip, deflate, br", ["Accept-Language"] = "nl",
      ["Origin"] = "https://www.shop.example", ["x-c15t-country"] = "NL"}
   if mode == "post" then
      headers["Content-Type"] = "application/json"
      local body = '{"type":"cookie_banner","subjectId":"' .. subject() .. '","domain":"www.shop.example",'
         .. choices[turn % #choices + 1] .. ',"givenAt":' .. os.time() .. string.format("%03d", turn % 1000)
         .. ',"jurisdiction":"GDPR","jurisdictionModel":"opt-in","uiSource":"banner"}'
      return wrk.format("POST", path, headers, body)
   end
   return wrk.format("GET", #endings > 0 and wrk.path .. endings[turn % #endings + 1] or nil, headers)
end

function done(summary, latency, requests)
   local errors = summary.errors
   print(string.format("LOAD %d %.6f %.1f %.1f %d %d", summary.requests, summary.duration / 1e6, latency:percentile(50),
      latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
