-- Stores a value, and tells those who wait for it.
-- KEYS: the entry.
-- ARGV: the claim that the entry has to have or '', the bytes, after how many ms it is due or '' if the bytes say, for how many ms it is
--   kept or '', PUBLISH or SPUBLISH, 'late' if it is also stored where nothing is.
-- Gives 1, or 0 if it may not replace what is there.
local key, claim, bytes, due, kept = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local head = header(key)
local holder = claim_of(head)
-- What a stranger keeps there may be empty.
local gone = ARGV[6] == 'late' and head == '' and redis.call('EXISTS', key) == 0
if claim ~= '' and holder ~= claim and not gone then
  -- It may be there already, as the reply was lost.
  if head == string.sub(bytes, 1, 50) or is_claimable(head) and identity(head) == identity(bytes) then
    return 1
  end
  return 0
end
if kept == '' then
  redis.call('SET', key, bytes)
else
  redis.call('SET', key, bytes, 'PX', kept)
end
if due ~= '' then
  move(key, millis() + tonumber(due), NOBODY)
end
if holder ~= NOBODY then
  wake(key, ARGV[5])
end
return 1
