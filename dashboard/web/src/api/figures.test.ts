import { expect, test } from 'vitest'
import { parseSize, rate, total } from './figures'

test('figures of nodes are added', () => {
  expect(total([{ a: 1, b: 2 }, { a: 3 }])).toEqual({ a: 4, b: 2 })
  expect(total([])).toEqual({})
})

test('a rate needs two samples and a counter that rises', () => {
  const at = (ms: number, n: number) => ({ at: ms, values: { n } })
  expect(rate(at(0, 10), at(2000, 40), 'n')).toBe(15)
  expect(rate(at(0, 10), at(2000, 10), 'n')).toBe(0)
  expect(rate(at(0, 10), at(2000, 40), 'other')).toBe(0)
  expect(rate(at(0, 10), at(2000, 4), 'n')).toBeNull() // restarted
  expect(rate(at(0, 10), at(0, 40), 'n')).toBeNull()
  expect(rate(undefined, at(2000, 40), 'n')).toBeNull()
})

test.each([
  ['1.5G', 1.5 * 2 ** 30],
  ['76.00M', 76 * 2 ** 20],
  ['512', 512],
  ['2K', 2048],
  ['undefined', undefined],
  ['', undefined],
  [undefined, undefined],
])('%s is %s bytes', (text, want) => {
  expect(parseSize(text)).toBe(want)
})
