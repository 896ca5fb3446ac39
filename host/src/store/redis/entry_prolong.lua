-- Makes a claim last longer.
-- KEYS: the entry.  ARGV: the claim, its lease in ms from now on, a placeholder to take the place of a value or ''.
-- Gives 1, or 0 if the entry does not have the claim.
local key, claim, lease, placeholder = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local head = header(key)
if claim_of(head) ~= claim then
  return 0
end
if is_vacant(head) then
  redis.call('PEXPIRE', key, lease)
elseif placeholder ~= '' then
  redis.call('SET', key, placeholder, 'PX', lease)
else
  move(key, millis() + lease, claim)
  outlast(key, lease)
end
return 1
