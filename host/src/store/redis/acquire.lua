-- Takes the lock if it is free, or again if this token has it already (then the reply to the first attempt was lost, or a grant is
-- confirmed). Takes a place in the queue if it is asked to and cannot have the lock.
-- KEYS: the lock, its fence, its queue, its clients alive, what its channels begin with.
-- ARGV: the token, the lease in ms or '', for how long its fence is remembered in ms, its place, 'join' to take it, 'fair' not to pass
--   others, PUBLISH or SPUBLISH. One that neither takes a place nor is fair has the first two keys and the first three of these only.
-- Gives {1, fence}, {0, time left in ms, or -1 for a lock without lease, last fence}, or {2} for a token that was given up before.
local token, lease, place, joins, fair = ARGV[1], ARGV[2], ARGV[4], ARGV[5] == 'join', ARGV[6] == 'fair'
local last, notes = recall(KEYS[2])
if not last then
  return notes
end

-- A connection that was given up can still deliver an attempt after its owner has settled it by a release. Granting it then would
-- leave a lock that nobody knows they hold.
if is_settled(notes, token) and redis.call('GET', KEYS[1]) ~= token then
  return {2}
end

local first = fair and first_place(KEYS[3], KEYS[4], 0)
local others_first = first and first ~= place

-- The lock before all else: a server out of memory refuses only the first write of a script, and then nothing has changed.
if taken == nil and not others_first then
  if lease == '' then
    taken = redis.call('SET', KEYS[1], token, 'NX')
  else
    taken = redis.call('SET', KEYS[1], token, 'NX', 'PX', lease)
  end
end
local fence = tonumber(last)
if not taken then
  local holder = redis.call('GET', KEYS[1])
  if holder ~= token then
    if joins then
      join(KEYS[3], KEYS[4], place)
    end
    -- Free, as the holder's lease ended or a stranger released it: nobody else would tell who is first.
    if others_first and not holder then
      local told = hand_on(KEYS[1], KEYS[3], KEYS[4], KEYS[5], ARGV[7], fence)
      if told > fence then
        redis.call('SET', KEYS[2], digits(told) .. notes, 'PX', 86400000)
      end
    end
    -- If it is free still, whoever is first will ask for it, and there is no end of a lease to wait for.
    return {0, math.max(redis.call('PTTL', KEYS[1]), -1), fence}
  end
  -- Never shorter: this may be an attempt that comes late, when the lock was confirmed or extended.
  local left = redis.call('PTTL', KEYS[1])
  if lease == '' then
    redis.call('PERSIST', KEYS[1])
  elseif left >= 0 and left < tonumber(lease) then
    redis.call('PEXPIRE', KEYS[1], lease)
  end
end
if joins then
  leave(KEYS[3], place)
end
if taken or fence == 0 then
  fence = after(fence)
end
remember(KEYS[2], digits(fence), notes, lease)
return {1, fence}
