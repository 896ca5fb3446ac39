-- Gives a claim up: a placeholder goes, and a value is due for whoever reads it after a rest.
-- KEYS: the entry.
-- ARGV: the claim, the rest in ms, PUBLISH or SPUBLISH, how many ms a value has left that the claim may have had stay for longer, or ''.
-- Gives 1, or 0 if the entry does not have the claim.
local key, claim, rest, left = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local head = header(key)
if claim_of(head) ~= claim then
  return 0
end
if is_vacant(head) or left == 0 then
  redis.call('DEL', key)
else
  move(key, millis() + rest, NOBODY)
  if left and redis.call('PTTL', key) > left then
    redis.call('PEXPIRE', key, left)
  end
end
wake(key, ARGV[3])
return 1
