-- Adds to the end of the text. ARGV from 5: writer, largest size in bytes, language of a new conversation, then for each
-- addition seven: number, turns (JSON, joined), how many, slots (JSON, null takes one away), template, language, question.
local OPEN, HEAD, HEAD_LIMIT = '{"turns":[', '],"current_slots":', 65536
local WRITER, LIMIT, LANGUAGE = 'w:' .. ARGV[5], tonumber(ARGV[6]), ARGV[7]

-- Where the turns end (counted from 0) and what follows them; nothing for a text in another order.
-- The head is found from the end, and proven by decoding: strings cannot hold an unescaped quotation mark.
local function read_head(size)
  if redis.call('GETRANGE', TEXT, 0, #OPEN - 1) ~= OPEN then return nil end
  for _, window in ipairs({4096, 2 * HEAD_LIMIT}) do
    local from = math.max(#OPEN, size - window)
    local last, at, found = redis.call('GETRANGE', TEXT, from, -1), 0, nil
    repeat
      found = at
      at = string.find(last, HEAD, at + 1, true)
    until not at
    local valid, head = false, nil
    if found > 0 then valid, head = pcall(cjson.decode, OPEN .. string.sub(last, found)) end
    if valid and type(head.current_slots) == 'table' and type(head.language) == 'string' then
      return from + found - 1, head
    end
  end
  return nil
end

local function write_head(head)
  local template = head.current_template_id or cjson.null
  return HEAD .. cjson.encode(head.current_slots) .. ',"current_template_id":' .. cjson.encode(template)
    .. ',"language":' .. cjson.encode(head.language) .. '}'
end

local size, before = redis.call('STRLEN', TEXT), stamp()
local offset, head = #OPEN, {current_slots = {}, language = LANGUAGE}
if size > 0 then
  if redis.call('HGET', ABOUT, 'bytes') ~= tostring(size) then return {'foreign'} end
  offset, head = read_head(size)
  if not offset then return {'foreign'} end
else
  redis.call('DEL', ABOUT)
  before = '0:0'
end

local done = tonumber(redis.call('HGET', ABOUT, WRITER) or '0')
local added, turns, question, last = {}, 0, nil, done
for i = 8, #ARGV, 7 do
  local number = tonumber(ARGV[i])
  if number > done then
    last = number
    if ARGV[i + 1] ~= '' then added[#added + 1] = ARGV[i + 1] end
    turns = turns + tonumber(ARGV[i + 2])
    for name, value in pairs(cjson.decode(ARGV[i + 3])) do
      head.current_slots[name] = value ~= cjson.null and value or nil
    end
    if ARGV[i + 4] ~= '' then head.current_template_id = ARGV[i + 4] end
    if ARGV[i + 5] ~= '' then head.language = ARGV[i + 5] end
    if ARGV[i + 6] ~= '' then question = ARGV[i + 6] end
  end
end
if last == done then
  keep_alive()
  return {'ok', before, before}
end

local text, ending = table.concat(added, ','), write_head(head)
if offset > #OPEN and text ~= '' then text = ',' .. text end
local grown = offset + #text + #ending
if grown > LIMIT or #ending > HEAD_LIMIT then return {'full'} end
if size == 0 then
  redis.call('SET', TEXT, OPEN .. text .. ending)
else
  redis.call('SETRANGE', TEXT, offset, text .. ending .. string.rep(' ', size - grown))
end

local fields = {WRITER, whole(last), 'language', head.language}
if question then fields[#fields + 1] = 'question'; fields[#fields + 1] = question end
redis.call('HINCRBY', ABOUT, 'turns', turns)
return {'ok', before, written(fields)}
