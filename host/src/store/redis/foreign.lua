-- Finds the first of the keys of locks in which something else is kept than is kept there of a lock.
-- KEYS: of each lock itself, its fence, its queue, its clients alive, what its channels begin with, the fences of its holders.
-- ARGV: GET or ZCARD, as can be asked of the lock itself.
-- Gives which key it is (1 is the first), or 0.
local asks = {ARGV[1], 'GET', 'ZCARD', 'ZCARD', 'EXISTS', 'HGET'}
for at, key in ipairs(KEYS) do
  local ask = asks[(at - 1) % #asks + 1]
  local reply = redis.pcall(unpack({ask, key, ask == 'HGET' and key or nil}))
  if type(reply) == 'table' and string.find(reply.err or '', 'WRONGTYPE', 1, true) then
    return at
  end
end
return 0
