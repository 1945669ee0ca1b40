import { afterEach, expect, test } from 'vitest'
import { bytes, clock, count, duration, milliseconds, parseLocal, parseUptime, percent, relative, short } from './format'
import { setLanguage } from './i18n'

afterEach(() => setLanguage('en'))

test.each<[(n: number | null | undefined) => string, number | null | undefined, string]>([
  [count, 1234567, '1,234,567'],
  [count, null, '–'],
  [short, undefined, '–'],
  [short, Number.NaN, '–'],
  [short, 0, '0'],
  [short, 3.14159, '3.1'],
  [short, 42.7, '43'],
  [short, 999, '999'],
  [short, 1000, '1k'],
  [short, 12345, '12.3k'],
  [short, 999_999, '1M'],
  [short, 1_500_000, '1.5M'],
  [short, 2e9, '2G'],
  [bytes, 0, '0 B'],
  [bytes, 1023, '1,023 B'],
  [bytes, 1024, '1 KiB'],
  [bytes, 1536, '1.5 KiB'],
  [bytes, 1024 * 1024 - 1, '1 MiB'],
  [bytes, 5 * 2 ** 40, '5 TiB'],
  [percent, 1.25, '1.3%'],
  [percent, 85.2, '85%'],
  [milliseconds, 0.333, '0.33 ms'],
  [milliseconds, 12.5, '13 ms'],
  [milliseconds, 1500, '1.5 s'],
  [milliseconds, 90_000, '1 min 30 s'],
  [duration, 0, '0 s'],
  [duration, 59, '59 s'],
  [duration, 3600, '1 h'],
  [duration, 90_061, '1 d 1 h'],
])('%o(%s) is %s', (f, n, want) => {
  expect(f(n)).toBe(want)
})

test('times that were and will be', () => {
  const now = 1_600_000_000_000
  expect(relative(now - 90_000, now)).toBe('1 minute ago')
  expect(relative(now + 7_200_000, now)).toBe('in 2 hours')
  expect(relative(now, now)).toBe('now')
  setLanguage('zh')
  expect(relative(now - 90_000, now)).toBe('1分钟前')
  expect(duration(90_061)).toBe('1 天 1 小时')
})

test('local times of EMQ X are read, and written alike', () => {
  const ms = parseLocal('2020-9-4 10:24:16')
  expect(ms).toBe(new Date(2020, 8, 4, 10, 24, 16).getTime())
  expect(clock(ms)).toBe('2020-09-04 10:24:16')
  expect(parseLocal('undefined')).toBeUndefined()
  expect(parseLocal(undefined)).toBeUndefined()
})

test.each([
  ['2 days, 4 hours, 21 minutes, 19 seconds', 188_479],
  ['1 minutes, 5 seconds', 65],
  ['0 seconds', 0],
  ['undefined', undefined],
  [undefined, undefined],
])('an uptime of %s is %s seconds', (text, want) => {
  expect(parseUptime(text)).toBe(want)
})
