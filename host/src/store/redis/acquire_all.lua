-- Takes many locks if all of them are free or this token's already, and none otherwise. They get one fence, larger than the last one of
-- each.
-- KEYS: of each lock itself, its fence, its queue, its clients alive.
-- ARGV: the token, the lease in ms or '', 'fair' not to pass others.
-- Gives {1, fence}, {0, which lock is in the way (1 is the first), time left in ms, or -1 for a lock without lease}, {2} for a token
-- that was given up before, or {3, which, error} for a lock whose keys hold something else.
local token, lease, fair = ARGV[1], ARGV[2], ARGV[3] == 'fair'
local fences, kept, all_held, highest, same = {}, {}, true, 0, true
for at = 1, #KEYS, 4 do
  local which = (at + 3) / 4
  local last, notes = recall(KEYS[at + 1])
  if not last then
    return {3, which, notes.err}
  end
  local holder = redis.pcall('GET', KEYS[at])
  if type(holder) == 'table' then
    return {3, which, holder.err}
  end
  if holder ~= token then
    -- It comes too late, as in acquire.lua.
    if is_settled(notes, token) then
      return {2}
    end
    if holder then
      return {0, which, redis.call('PTTL', KEYS[at])}
    end
    if fair and first_place(KEYS[at + 2], KEYS[at + 3], 0) then
      return {0, which, -1}
    end
    all_held = false
  end
  local fence = tonumber(last)
  same = same and (at == 1 or fence == highest)
  highest = math.max(highest, fence)
  fences[which], kept[which] = fence, notes
end

-- A repetition, as the reply to the first was lost, has the same fence.
local fence = all_held and same and highest > 0 and highest or after(highest)
for at = 1, #KEYS, 4 do
  if lease == '' then
    redis.call('SET', KEYS[at], token)
  else
    -- Never shorter: this may be an attempt that comes late, when the locks were extended.
    local held = redis.call('GET', KEYS[at]) == token
    local left = held and redis.call('PTTL', KEYS[at])
    if not left or left >= 0 and left < tonumber(lease) then
      redis.call('SET', KEYS[at], token, 'PX', lease)
    end
  end
  remember(KEYS[at + 1], digits(fence), kept[(at + 3) / 4], lease)
end
return {1, fence}
