-- Tells for how long this token holds a share of the lock.
-- KEYS: the lock.  ARGV: the token, the share.  Gives what holding.lua gives.
local ends = ends_of(KEYS[1], holder(ARGV[2], ARGV[1]))
return ends and left_until(ends) or -2
