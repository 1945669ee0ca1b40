import { afterEach, expect, test, vi } from 'vitest'
import { call, CallError, get, onRefused, path, post, sentence, unwrap, url } from './client'
import { explain } from './text'

afterEach(() => {
  vi.unstubAllGlobals()
  onRefused(() => {})
})

const answer = (status: number, body: string, headers: Record<string, string> = {}) =>
  vi.stubGlobal('fetch', vi.fn<typeof fetch>(() => Promise.resolve(new Response(body, { status, headers }))))

test('parts of paths are encoded', () => {
  expect(path`/clients/${'a/b #%'}/inflight`).toBe('/clients/a%2Fb%20%23%25/inflight')
  expect(path`/clients`).toBe('/clients')
  expect(path`/acl/${'$all'}/topic/${'t/+'}`).toBe('/acl/%24all/topic/t%2F%2B')
})

test('parameters without a value are left out', () => {
  expect(url('/clients', { _page: 1, _like_clientid: '', username: undefined, zone: null })).toBe('/api/v4/clients?_page=1')
  expect(url('/clients', { clean_start: false, topic: 'a/#' })).toBe('/api/v4/clients?clean_start=false&topic=a%2F%23')
  expect(url('/stats')).toBe('/api/v4/stats')
})

test.each([
  ['{"code":0,"data":[1,2],"meta":{"page":1,"limit":2,"count":5}}', { data: [1, 2], meta: { page: 1, limit: 2, count: 5 } }],
  ['{"code":0}', { data: undefined }],
  ['{"filename":"f","file":"x"}', { data: { filename: 'f', file: 'x' } }],
  ['[{"a":1}]', { data: [{ a: 1 }] }],
  ['', { data: {} }],
])('%s holds %o', (body, want) => {
  expect(unwrap(body, 200)).toEqual(want)
})

test.each([
  ['{"code":112,"message":"not_found"}', 'not_found', 112],
  ['{"message":"existed"}', 'existed', undefined],
  ['{"message":"bad_json","reason":"line 1: that is no JSON"}', 'line 1: that is no JSON', undefined],
  ['{"code":"ALREADY_EXISTED","message":"there is one"}', 'there is one', 'ALREADY_EXISTED'],
  ['{"code":"ALREADY_EXISTED"}', 'ALREADY_EXISTED', 'ALREADY_EXISTED'],
  ['<html>a proxy</html>', '', undefined],
])('%s is the error %s', (body, message, code) => {
  expect(() => unwrap(body, 200)).toThrow(expect.objectContaining({ message, code, status: 200 }))
})

test('an error of another status has its sentence from the body', () => {
  expect(sentence('UNAUTHORIZED\n')).toBe('UNAUTHORIZED')
  expect(sentence('{"code":103,"message":"Change the password first"}')).toBe('Change the password first')
  expect(sentence('<html><body>502 Bad Gateway</body></html>')).toBe('')
  expect(sentence('x'.repeat(301))).toBe('')
})

test('a login that is over is told to the app, but not by the login itself', async () => {
  const told: number[] = []
  onRefused((e) => told.push(e.status))
  answer(401, 'UNAUTHORIZED')
  await expect(get('/clients')).rejects.toThrow(CallError)
  await expect(get('/auth')).rejects.toThrow(CallError)
  answer(403, '{"message":"Change the password first"}')
  await expect(post('/users', {})).rejects.toThrow('Change the password first')
  expect(told).toEqual([401, 403])
})

test('too many attempts say how long to wait', async () => {
  answer(429, 'Too Many Requests', { 'Retry-After': '30' })
  const e = await call('POST', '/auth', { body: {} }).catch((x: unknown) => x)
  expect(e).toMatchObject({ status: 429, wait: 30 })
  expect(explain(e)).toBe('Too many attempts: wait 30 seconds, then try again.')
})

test('a broker that is away, and one that makes no sense, are told apart', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')))
  expect(explain(await get('/stats').catch((e: unknown) => e))).toContain('can’t be reached')
  answer(200, 'hello')
  expect(explain(await get('/stats').catch((e: unknown) => e))).toContain('status 200')
  answer(502, '<html></html>')
  expect(explain(await get('/stats').catch((e: unknown) => e))).toContain('status 502')
})

test('what is sent is JSON, with the cookie of the login', async () => {
  answer(200, '{"code":0}')
  await post('/mqtt/publish', { topic: 't' })
  expect(fetch).toHaveBeenCalledWith(
    '/api/v4/mqtt/publish',
    expect.objectContaining({ method: 'POST', body: '{"topic":"t"}', credentials: 'same-origin' }),
  )
})

test('EMQ X’s words become sentences', () => {
  expect(explain(new CallError('exitsted', 200))).toBe('There is one of this name already.')
  expect(explain(new CallError('invalid_topic_name', 200))).toBe('That is no topic that can be used here.')
  expect(explain(new CallError('the disk is full', 200, 102))).toBe('the disk is full')
  expect(explain(new CallError('', 403))).toContain('administrator')
  expect(explain(new Error('broken'))).toBe('broken')
})
