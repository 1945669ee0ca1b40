import { expect, test } from 'vitest'
import { fade, sparkline } from './Chart'
import { sorted, type Column } from './Table'

test('a sparkline goes from 0 to the largest, and leaves gaps', () => {
  expect(sparkline([0, 5, 10], 100, 28)).toBe('M0.0 26.0L50.0 14.0L100.0 2.0')
  expect(sparkline([1, null, 1], 100, 28)).toBe('M0.0 2.0M100.0 2.0')
  expect(sparkline([null, null], 100, 28)).toBe('')
  expect(sparkline([], 100, 28)).toBe('')
})

test('colours fade', () => {
  expect(fade('rgb(12, 122, 126)')).toBe('rgba(12, 122, 126, 0.1)')
})

interface Row {
  name: string
  n: number
}
const columns: Column<Row>[] = [
  { id: 'name', head: 'Name', cell: (r) => r.name, sort: (r) => r.name },
  { id: 'n', head: 'N', cell: (r) => r.n, sort: (r) => r.n },
]
const rows: Row[] = [
  { name: 'c10', n: 9 },
  { name: 'c2', n: 10 },
  { name: 'c1', n: 100 },
]
const names = (id: string, down: boolean) => sorted(rows, columns, { id, down }).map((r) => r.name)

test('rows are sorted as people count', () => {
  expect(names('name', false)).toEqual(['c1', 'c2', 'c10'])
  expect(names('name', true)).toEqual(['c10', 'c2', 'c1'])
  expect(names('n', false)).toEqual(['c10', 'c2', 'c1'])
  expect(sorted(rows, columns, undefined)).toBe(rows)
  expect(names('unknown', false)).toEqual(['c10', 'c2', 'c1'])
})
