import { expect, test } from 'vitest'
import { pairs, selected } from './figures'

test('a statistic and its highest value are one row', () => {
  expect(pairs({ 'sessions.count': 2, 'sessions.max': 5, 'connections.count': 1, 'lone.max': 3 })).toEqual([
    { name: 'connections', now: 1, most: undefined },
    { name: 'sessions', now: 2, most: 5 },
  ])
})

test('metrics are found by a part of their names', () => {
  const all = { 'packets.sent': 3, 'messages.sent': 2, 'messages.lost': 0 }
  expect(selected(all, '', false)).toEqual([
    ['messages.sent', 2],
    ['packets.sent', 3],
  ])
  expect(selected(all, ' Messages', true).map(([name]) => name)).toEqual(['messages.lost', 'messages.sent'])
  expect(selected(all, 'nothing', true)).toEqual([])
})
