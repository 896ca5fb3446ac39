-- Resets the time that a share of the lock is held by this token.
-- KEYS: as of shared_acquire.lua.  ARGV: the token, the lease in ms, or '' for no end, the share.  Gives what renew.lua gives.
local member = holder(ARGV[3], ARGV[1])
if not ends_of(KEYS[1], member) then
  return -2
end
local ends = lease_end(ARGV[2])
prolong(KEYS[1], KEYS[6], member, ends)
return left_until(ends)
