import { expect, test } from 'vitest'
import { addressOf, reason } from './connection'

const listeners = [
  { protocol: 'mqtt:tcp', listen_on: '0.0.0.0:1883' },
  { protocol: 'mqtt:wss', listen_on: '[::]:8084' },
  { protocol: 'mqtt:ws', listen_on: '0.0.0.0:8083' },
]

test('the address fits the page', () => {
  expect(addressOf(listeners, { protocol: 'http:', hostname: 'broker' })).toBe('ws://broker:8083/mqtt')
  expect(addressOf(listeners, { protocol: 'https:', hostname: 'broker' })).toBe('wss://broker:8084/mqtt')
  expect(addressOf(listeners.slice(0, 2), { protocol: 'http:', hostname: 'broker' })).toBe('wss://broker:8084/mqtt')
  expect(addressOf(listeners.slice(0, 1), { protocol: 'http:', hostname: 'broker' })).toBeUndefined()
  expect(addressOf([{ protocol: 'mqtt:ws', listen_on: '8083' }], { protocol: 'http:', hostname: '[::1]' })).toBe('ws://[::1]:8083/mqtt')
})

test('reasons have names where there are some', () => {
  expect(reason(0x87)).toBe('not authorized (0x87)')
  expect(reason(0xfe)).toBe('0xfe')
})
