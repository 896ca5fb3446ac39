-- Claims an entry that is due to be computed and that nobody computes.
-- KEYS: the entry.
-- ARGV: the claim, its lease in ms, a placeholder with the claim or '' if none is to be set, how many ms before its expiry the entry
--   counts as due if nobody computes it, the identity of what the caller has of it or ''.
-- Gives {0} for no entry, {1, bytes} for one with a value, {2, time its value is kept in ms, -1 without end, bytes} or {2} for one that
-- is claimed now, with or without a value, {3, lease left in ms} for one that somebody else computes. Bytes that the caller has are left out.
local key, claim, lease, placeholder, early, seen = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5]
local head = header(key)
if head == '' then
  if placeholder == '' then
    return {redis.call('EXISTS', key), ''}
  end
  -- What is there is an empty value of a stranger.
  return redis.call('SET', key, placeholder, 'NX', 'PX', lease) and {2} or {1, ''}
end
if not is_claimable(head) then
  return {1, redis.call('GET', key)}
end
-- What is looked at twice is looked at once: this runs whenever an entry expires.
local holder = string.sub(head, 31, 38)
if is_placeholder(head) then
  if placeholder == '' then
    return {0}
  end
  if holder ~= claim then
    return {3, redis.call('PTTL', key)}
  end
  redis.call('PEXPIRE', key, lease)
  return {2}
end

local bytes
if identity(head) ~= seen then
  bytes = redis.call('GET', key)
end
local expires, now = struct.unpack('<I8', head, 23), millis()
if holder ~= NOBODY then
  early = 0
end
if holder ~= claim and (expires == 0 or expires - early > now) then
  return {1, bytes}
end
local answer = {2, redis.call('PTTL', key), bytes}
move(key, now + lease, claim)
if placeholder ~= '' then
  outlast(key, lease)
end
return answer
