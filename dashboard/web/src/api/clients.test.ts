import { expect, test } from 'vitest'
import { address, known, protocol } from './clients'

test('what is unset is a dash', () => {
  expect(known('undefined')).toBe('–')
  expect(known('')).toBe('–')
  expect(known(undefined)).toBe('–')
  expect(known('ann')).toBe('ann')
})

test.each([
  ['MQTT', 5, 'MQTT 5.0'],
  ['MQTT', 4, 'MQTT 3.1.1'],
  ['MQIsdp', 3, 'MQTT 3.1'],
  ['MQTT-SN', 1, 'MQTT-SN 1'],
])('%s %i is %s', (proto_name, proto_ver, want) => {
  expect(protocol({ proto_name, proto_ver })).toBe(want)
})

test('IPv6 addresses have brackets', () => {
  expect(address('::1', 1883)).toBe('[::1]:1883')
  expect(address('127.0.0.1', 1883)).toBe('127.0.0.1:1883')
})
