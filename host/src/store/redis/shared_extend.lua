-- Adds to the time that a share of the lock is held by this token.
-- KEYS: as of shared_acquire.lua.  ARGV: the token, the time to add in ms, the share.  Gives what extend.lua gives.
local member = holder(ARGV[3], ARGV[1])
local ends = ends_of(KEYS[1], member)
if not ends then
  return -2
end
if ends < NEVER then
  ends = math.min(ends + tonumber(ARGV[2]), NEVER - 1)
  prolong(KEYS[1], KEYS[6], member, ends)
end
return left_until(ends)
