import { expect, test } from 'vitest'
import { fromBase64, readable } from './payload'

test.each([
  ['aGk=', 'hi', false],
  ['', '', false],
  ['5Lit', '中', false],
  ['AAH/', '00 01 ff', true],
  ['/w==', 'ff', true],
  ['YQlicgo=', 'a\tbr\n', false],
  ['not base64!', '', false],
])('%s reads %j', (base64, shown, binary) => {
  expect(readable(fromBase64(base64))).toEqual({ shown, binary })
})
