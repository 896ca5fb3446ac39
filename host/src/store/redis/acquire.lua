-- Takes the lock if it is free, or again if this token has it already (then the reply to the first attempt was lost).
-- KEYS: the lock, its fence.  ARGV: the token, the lease in ms or ''.
-- Gives {1, fence}, {0, time left in ms, or -1 for a lock without lease}, or {2} for a token that was given up before.
local token, lease = ARGV[1], ARGV[2]
local last, notes = recall(KEYS[2])
if not last then
  return notes
end

-- A connection that was given up can still deliver an attempt after its owner has settled it by a release. Granting it then would
-- leave a lock that nobody knows they hold.
if string.find(notes, token, 1, true) and (is_noted(notes, token) or is_noted(notes, '!' .. token)) and redis.call('GET', KEYS[1]) ~= token then
  return {2}
end

-- The lock before all else: a server out of memory refuses only the first write of a script, and then nothing has changed.
local taken
if lease == '' then
  taken = redis.call('SET', KEYS[1], token, 'NX')
else
  taken = redis.call('SET', KEYS[1], token, 'NX', 'PX', lease)
end
local fence = tonumber(last)
if not taken then
  if redis.call('GET', KEYS[1]) ~= token then
    return {0, redis.call('PTTL', KEYS[1])}
  end
  if lease == '' then
    redis.call('PERSIST', KEYS[1])
  else
    redis.call('PEXPIRE', KEYS[1], lease)
  end
end
if taken or fence == 0 then
  fence = after(fence)
end
redis.call('SET', KEYS[2], remembering(digits(fence), notes), 'PX', 86400000)
return {1, fence}
