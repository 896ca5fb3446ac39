-- The server's clock, read once a script: in microseconds since 1970, and in milliseconds.
local read
local function micros()
  if not read then
    local time = redis.call('TIME')
    read = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  return read
end

local function millis()
  return math.floor(micros() / 1000)
end

