import { expect, test } from 'vitest'
import { parts, wanted, type Part } from './parts'

const redis: Part = { name: 'emqx_auth_redis', description: 'Authentication by Redis', active: false, node: 'a' }
const retainer: Part = { name: 'emqx_retainer', description: 'Retained messages', active: true, node: 'a' }

test('a plugin that is on anywhere is on', () => {
  const nodes = [
    { node: 'a', plugins: [redis, retainer] },
    { node: 'b', plugins: [{ ...redis, active: true }, retainer] },
  ]
  expect(parts(nodes, 'plugins')).toEqual([
    { ...redis, active: true, node: 'b' },
    { ...retainer, node: 'b' },
  ])
  expect(parts(nodes, 'modules')).toEqual([])
})

test('they are found by name and purpose', () => {
  const names = (search: string, onlyOn: boolean) => wanted([redis, retainer], search, onlyOn).map((p) => p.name)
  expect(names('', false)).toEqual(['emqx_auth_redis', 'emqx_retainer'])
  expect(names('MESSAGES', false)).toEqual(['emqx_retainer'])
  expect(names('redis', true)).toEqual([])
})
