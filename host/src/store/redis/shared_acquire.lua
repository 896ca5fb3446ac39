-- Takes a share of the lock if it fits and nobody waits for it, or again if this token has it already. Takes a place in the queue if
-- it is asked to and cannot have it.
-- KEYS and ARGV: as of acquire.lua, all of them, the fences of its holders, and the share. Gives what that gives, and with {0, …} the time until the first lease ends.
local token, lease, place, joins, publish, share = ARGV[1], ARGV[2], ARGV[4], ARGV[5] == 'join', ARGV[7], ARGV[8]
local last, notes = recall(KEYS[2])
if not last then
  return notes
end
drop_ended(KEYS[1], KEYS[6])
local member, fence = holder(share, token), tonumber(last)
local ends = ends_of(KEYS[1], member)
if not ends then
  -- It comes too late, as in acquire.lua.
  if is_settled(notes, token) then
    return {2}
  end
  local first = first_place(KEYS[3], KEYS[4], 0)
  if first and first ~= place or not fits(KEYS[1], share) then
    if joins then
      join(KEYS[3], KEYS[4], place)
    end
    -- A lease that ended, or a place that was lost, may have made room, of which nobody else would tell.
    local given = hand_out(KEYS[1], KEYS[6], KEYS[3], KEYS[4], KEYS[5], publish, fence)
    if given ~= fence then
      redis.call('SET', KEYS[2], digits(given) .. notes, 'PX', 86400000)
    end
    return {0, first_end(KEYS[1]), fence}
  end
end
-- A new fence also for one who has it already: others may have been given theirs in between.
fence = after(fence)
-- Never shorter: this may be an attempt that comes late, when the lock was confirmed or extended.
hold(KEYS[1], KEYS[6], member, math.max(lease_end(lease), ends or 0), fence)
leave(KEYS[3], place)
local given = hand_out(KEYS[1], KEYS[6], KEYS[3], KEYS[4], KEYS[5], publish, fence)
redis.call('SET', KEYS[2], digits(given) .. notes, 'PX', 86400000)
return {1, fence}
