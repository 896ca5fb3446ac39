-- Makes a fence outlast the lock by a day, as it is by its fence that a held lock is found. Most leases are reset every few seconds, so
-- half a day more or less is left as it is.
local function outlast(fence, lease)
  local day = 86400000
  -- What else is kept there is not to end.
  if redis.call('PTTL', fence) < day / 2 + lease and type(redis.pcall('GET', fence)) == 'string' then
    redis.call('PEXPIRE', fence, string.format('%.0f', day + lease))
  end
end

