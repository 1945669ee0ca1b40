import { expect, test } from 'vitest'
import { fromDay, hasExpired, toDay } from './expiry'

test('a day is the same there and back', () => {
  for (const day of ['2026-01-01', '2026-11-23', '2028-02-29']) expect(toDay(fromDay(day) ?? 0)).toBe(day)
  expect(fromDay('')).toBeNull()
  expect(fromDay('soon')).toBeNull()
})

test('a key expires when its time comes', () => {
  expect(hasExpired({ expired: 'undefined' }, 5000)).toBe(false)
  expect(hasExpired({ expired: 5 }, 4999)).toBe(false)
  expect(hasExpired({ expired: 5 }, 5000)).toBe(true)
})
