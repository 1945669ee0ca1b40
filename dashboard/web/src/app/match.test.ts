import { expect, test } from 'vitest'
import { match } from './match'

test.each([
  ['/', '/', {}],
  ['/clients', '/clients', {}],
  ['/clients', '/clients/', {}],
  ['/clients', '/client', undefined],
  ['/clients', '/', undefined],
  ['/clients/:id', '/clients', undefined],
  ['/clients/:id', '/clients/c1', { id: 'c1' }],
  ['/clients/:id', '/clients/a%2Fb%20%E8%AE%BE', { id: 'a/b 设' }],
  ['/clients/:id', '/clients/100%', { id: '100%' }],
  ['/clients/:id/:part', '/clients/c1/mqueue', { id: 'c1', part: 'mqueue' }],
])('%s and %s: %o', (pattern, path, want) => {
  expect(match(pattern, path)).toEqual(want)
})
