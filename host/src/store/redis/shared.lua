-- Who holds a lock that many can hold: a sorted set of '<kind> <token>', by when their leases end on the server's clock in ms. The
-- kind is r for a reader, w for a writer and p for a permit. A share that is wanted is r, w, or how many permits there may be.
-- The key lasts as long as the last lease in it, and so does the hash of each holder's fence beside it.

-- When a lease ends that does not.
local NEVER = 9000000000000000

local function holder(share, token)
  return (tonumber(share) and 'p' or share) .. ' ' .. token
end

local function lease_end(lease)
  return (lease == '' or lease == '-') and NEVER or millis() + tonumber(lease)
end

-- When a holder's lease ends; nothing if it has ended, or if there is no such holder.
local function ends_of(lock, member)
  local ends = tonumber(redis.call('ZSCORE', lock, member) or 0)
  return ends > millis() and ends or nil
end

-- What is left until then, as replies have it.
local function left_until(ends)
  return ends and ends < NEVER and ends - millis() or -1
end

-- Takes away those whose leases have ended, so that what is left is who holds the lock.
local function drop_ended(lock, fences)
  local now = string.format('%.0f', millis())
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', lock, '-inf', now)) do
    redis.call('ZREM', lock, member)
    redis.pcall('HDEL', fences, member)
  end
end

-- What is left of the lease that ends first.
local function first_end(lock)
  return left_until(tonumber(redis.call('ZRANGE', lock, 0, 0, 'WITHSCORES')[2]))
end

-- Given the last answer of the key of the fences: what else is kept there is not to end with the lock.
local function last_as_long_as_needed(lock, fences, answer)
  local latest = tonumber(redis.call('ZRANGE', lock, -1, -1, 'WITHSCORES')[2])
  for _, key in ipairs({lock, type(answer) ~= 'table' and fences or nil}) do
    if latest and latest < NEVER then
      redis.call('PEXPIREAT', key, string.format('%.0f', latest))
    elseif latest then
      redis.call('PERSIST', key)
    end
  end
end

-- Without a fence it keeps the one it has. The fence comes first: where something else is kept under its key, nobody is to have the lock.
local function hold(lock, fences, member, ends, fence)
  local answer = fence and redis.call('HSET', fences, member, digits(fence)) or redis.pcall('HGET', fences, member)
  redis.call('ZADD', lock, string.format('%.0f', ends), member)
  last_as_long_as_needed(lock, fences, answer)
end

-- Resets when the lease of somebody who has the lock ends. Also on a server out of memory, which refuses the first write of a script if
-- that may need some: so it is one that needs none, and changes nothing.
local function prolong(lock, fences, member, ends)
  redis.call('PERSIST', lock)
  hold(lock, fences, member, ends)
end

local function let_go(lock, fences, member)
  local held = redis.call('ZREM', lock, member) == 1
  -- Whatever is kept there, the lock is let go of.
  last_as_long_as_needed(lock, fences, redis.pcall('HDEL', fences, member))
  return held
end

-- Whether one more can hold the lock.
local function fits(lock, share)
  if share == 'w' then
    return redis.call('ZCARD', lock) == 0
  elseif share == 'r' then
    local other = redis.call('ZRANGE', lock, 0, 0)[1]
    return not other or string.sub(other, 1, 1) == 'r'
  end
  return redis.call('ZCARD', lock) < tonumber(share)
end

-- Gives the lock to those who wait, in their order, for as long as it fits the first of them. Each has it not for longer than its
-- place is kept, until that is confirmed. The last fence is `given.last`; `given.one` if anybody was given it.
local function hand_out_each(lock, fences, queue, alive, channel, publish, given)
  local from, deaf = 0, {}
  while true do
    local place, token, lease, kept, client, share = first_place(queue, alive, from)
    if not place or not fits(lock, share) then
      return
    end
    if deaf[client] then
      from = past_deaf(queue, deaf, from)
    else
      local member = holder(share, token)
      -- Of the deaf too, as in hand_on_one.
      given.last = after(given.last)
      hold(lock, fences, member, math.min(lease_end(lease), millis() + kept), given.last)
      if tell(channel, publish, client, token .. ' ' .. digits(given.last)) then
        leave(queue, place)
        given.one = true
      else
        -- Its places stay as long as it counts as alive.
        let_go(lock, fences, member)
        deaf[client] = true
        from = from + 1
      end
    end
  end
end

-- The same. Gives the last fence.
local function hand_out(lock, fences, queue, alive, channel, publish, last)
  local given = {last = last}
  hand_out_each(lock, fences, queue, alive, channel, publish, given)
  return given.last
end

-- The same for a share that was just let go of, as hand_on_if_possible says. Gives the last fence, whether anybody was given it, and the
-- reason.
local function hand_out_if_possible(lock, fences, queue, alive, channel, publish, last)
  local given = {last = last}
  local done, caught = pcall(hand_out_each, lock, fences, queue, alive, channel, publish, given)
  return given.last, given.one, not done and reason(caught) or nil
end
