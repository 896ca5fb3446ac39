-- Who waits for a lock: places in a sorted set, by when they were taken. A place is '<token> <lease in ms or -> <kept> <client>
-- <share>': the client is the process that waits, `kept` is for how many ms a place lasts without a word from it, and a grant without
-- being confirmed, and the share is `-` for all of a plain lock, or as shared.lua says. Until when each client counts as alive is in
-- a sorted set beside the queue.

local function read_place(place)
  return string.match(place, '^(%S+) (%S+) (%S+) (%S+) (%S+)$')
end

-- Makes a key last for this many ms at least, so that nothing is left behind when all who wait have died. Gives whether it had an end
-- before, as one has not that is new.
local function keep(key, ms)
  local left = redis.call('PTTL', key)
  if left < ms then
    redis.call('PEXPIRE', key, ms)
  end
  return left >= 0
end

-- Has a client count as alive for this many ms at least: not shorter than before where it may have other places, which may last longer.
-- Gives whether it did not count.
local function enliven(alive, client, ms, others)
  local ends = string.format('%.0f', millis() + ms)
  if others then
    return redis.call('ZADD', alive, 'GT', ends, client) == 1
  end
  return redis.call('ZADD', alive, ends, client) == 1
end

-- Takes the last place, or keeps the one that is there already.
local function join(queue, alive, place)
  local _, _, kept, client = read_place(place)
  kept = tonumber(kept)
  local last = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2]
  -- Before the place, so that there is none if something else is kept under this key.
  local is_new = enliven(alive, client, kept, last)
  -- Not before the last one, even if the clock was set back.
  redis.call('ZADD', queue, 'NX', string.format('%.0f', math.max(micros(), tonumber(last or 0) + 1)), place)
  keep(queue, kept)
  if keep(alive, kept) and is_new then
    -- Where there is always somebody who waits, those who have gone would add up.
    for _, gone in ipairs(redis.call('ZRANGEBYSCORE', alive, '-inf', string.format('%.0f', millis()))) do
      redis.call('ZREM', alive, gone)
    end
  end
end

-- Where something else is kept under the key of the queue, nobody has a place in it, and whoever has the lock keeps it. Who counts as
-- alive is left to be forgotten by itself: that key may be another's.
local function leave(queue, place)
  redis.pcall('ZREM', queue, place)
end

-- The first place whose client is alive, after `from` others that are passed over. Those of the dead are taken away.
local function first_place(queue, alive, from)
  while true do
    local place = redis.call('ZRANGE', queue, from, from)[1]
    if not place then
      return nil
    end
    local token, lease, kept, client, share = read_place(place)
    if token and tonumber(redis.call('ZSCORE', alive, client) or 0) > millis() then
      return place, token, lease, tonumber(kept), client, share
    end
    redis.call('ZREM', queue, place)
  end
end

-- Tells a client something. Gives whether anybody there listens.
local function tell(channel, publish, client, word)
  -- This user may have no right to the channel, and servers before 7.0 have no sharded channels.
  local heard = redis.pcall(publish, channel .. client, word)
  if type(heard) == 'table' and publish ~= 'PUBLISH' then
    heard = redis.pcall('PUBLISH', channel .. client, word)
  end
  return type(heard) == 'number' and heard > 0
end

-- Sets the lock, which is free, to the token of a place: not for longer than the place is kept, until that is confirmed.
local function grant(lock, token, lease, kept)
  local short = lease == '-' and kept or math.min(tonumber(lease), kept)
  redis.call('SET', lock, token, 'PX', string.format('%.0f', short))
end

-- How many places come before the first, from `from` on, that is not one of the deaf. A process that died may have left thousands.
local function past_deaf(queue, deaf, from)
  local most = 1
  while true do
    local places = redis.call('ZRANGE', queue, from, from + most - 1)
    for at, place in ipairs(places) do
      local _, _, _, client = read_place(place)
      if not deaf[client or ''] then
        return from + at - 1
      end
    end
    from = from + #places
    if #places < most then
      return from
    end
    -- Few at first, as others may stand between them.
    most = math.min(2 * most, 256)
  end
end

-- Gives the lock, which is free, to the first who waits and whose client can be told; `given.one` if there is one. No two are told one fence,
-- not even the deaf: in a cluster, one who listens to another node of this shard hears it, and is not counted here. The last is `given.last`.
local function hand_on_one(lock, queue, alive, channel, publish, given)
  local from, deaf = 0, given.deaf or {}
  while true do
    local place, token, lease, kept, client = first_place(queue, alive, from)
    if not place then
      return
    end
    if deaf[client] then
      from = past_deaf(queue, deaf, from)
    else
      given.last = after(given.last)
      grant(lock, token, lease, kept)
      if tell(channel, publish, client, token .. ' ' .. digits(given.last)) then
        leave(queue, place)
        given.one = true
        return
      end
      -- Nobody there listens: a process that died just now, or that has lost its connection and will ask by itself. Its places stay
      -- as long as it counts as alive.
      redis.call('DEL', lock)
      deaf[client] = true
      from = from + 1
    end
  end
end

-- The same. Gives the last fence, and whether anybody has the lock now.
local function hand_on(lock, queue, alive, channel, publish, last)
  local given = {last = last}
  hand_on_one(lock, queue, alive, channel, publish, given)
  return given.last, given.one
end

-- The text of an error that was caught, which is a text by itself before 7.0. None of one that says that something else is kept under a key
-- of those who wait: then nobody has a place, and whoever asks for one learns why.
local function reason(caught)
  local text = type(caught) == 'table' and caught.err or tostring(caught)
  if not string.find(text, 'WRONGTYPE', 1, true) then
    return text
  end
end

-- The same as hand_on for a lock that was just let go of, which stays so, whatever comes of this. Gives the reason as well if those who wait
-- cannot be found or told: a user may have lost rights since they came. `deaf` are clients that are known to be.
local function hand_on_if_possible(lock, queue, alive, channel, publish, last, deaf)
  local given = {last = last, deaf = deaf}
  local done, caught = pcall(hand_on_one, lock, queue, alive, channel, publish, given)
  return given.last, given.one, not done and reason(caught) or nil
end
