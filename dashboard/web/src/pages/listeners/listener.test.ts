import { expect, test } from 'vitest'
import { reasons } from './listener'

test('reasons come by how frequent they are', () => {
  expect(reasons({ shutdown_count: { normal: 1, kicked: 3, discarded: 1 } })).toEqual([
    ['kicked', 3],
    ['discarded', 1],
    ['normal', 1],
  ])
  expect(reasons({ shutdown_count: [] })).toEqual([])
})
