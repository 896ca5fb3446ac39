-- An entry of version 2 or 3 begins with a header of 50 bytes (envelope.rs): 0 magic and version, 5 flags, 22 expiry in ms on this
-- server's clock or 0, 30 claim or zeros, 42 length and checksum of the payload. Expiry and claim are moved in place; the time to live
-- stays. In version 3, tags follow, the size of all before them.

local NOBODY = string.rep('\0', 8)

local function header(key)
  return redis.call('GETRANGE', key, 0, 49)
end

local function is_claimable(head)
  local begin = string.sub(head, 1, 5)
  return #head == 50 and (begin == '\139bwe\2' or begin == '\139bwe\3')
end

-- Whether it is the header of an entry with tags, and the size of these.
local function is_tagged(head)
  return #head == 52 and string.sub(head, 1, 5) == '\139bwe\3'
end

-- Whether a header that is claimable is that of a placeholder.
local function is_placeholder(head)
  return string.byte(head, 6) % 4 >= 2
end

local function is_vacant(head)
  return is_claimable(head) and is_placeholder(head)
end

-- Whether it is that of a placeholder or of a failure, which are no entries to who reads.
local function has_no_value(head)
  return is_claimable(head) and string.byte(head, 6) % 8 >= 2
end

local function claim_of(head)
  return is_claimable(head) and string.sub(head, 31, 38) or NOBODY
end

-- What no other entry has in its header, wherever expiry and claim have moved.
local function identity(head)
  return string.sub(head, 1, 22) .. string.sub(head, 43, 50)
end

local function move(key, expires, claim)
  redis.call('SETRANGE', key, 22, struct.pack('<I8', expires) .. claim)
end

-- Has the key last for this many ms at least, if it does not last for ever.
local function outlast(key, ms)
  local left = redis.call('PTTL', key)
  if left >= 0 and left < ms then
    redis.call('PEXPIRE', key, ms)
  end
end

-- Tells those who wait for the entry to look again. The channel is called as the key, so it is in the same slot.
local function wake(key, publish)
  -- This user may have no right to the channel, and servers before 7.0 have no sharded channels.
  local heard = redis.pcall(publish, key, '')
  if type(heard) == 'table' and publish ~= 'PUBLISH' then
    redis.pcall('PUBLISH', key, '')
  end
end
