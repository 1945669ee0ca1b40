import { afterEach, expect, test } from 'vitest'
import { dictionary, first, setLanguage, texts } from './i18n'

afterEach(() => setLanguage('en'))

const d = dictionary({
  hello: ['Hello', '你好'],
  many: (n: number) => [`${n} clients`, `${n} 个客户端`],
})

test('texts come in the language that is chosen', () => {
  expect(texts(d, 'en').hello).toBe('Hello')
  expect(texts(d, 'zh').many(3)).toBe('3 个客户端')
  setLanguage('zh')
  expect(texts(d).hello).toBe('你好')
  expect(texts(d)).toBe(texts(d))
})

test('a sentence that is missing in a language does not compile', () => {
  // @ts-expect-error: no Chinese
  dictionary({ lone: ['Alone'] })
  // @ts-expect-error: no such sentence
  expect(texts(d, 'en').goodbye).toBeUndefined()
  // @ts-expect-error: it has a parameter
  expect(texts(d, 'en').many()).toBe('undefined clients')
})

test.each([
  [null, ['de', 'zh-TW', 'en'], 'zh'],
  [null, ['en-GB', 'zh'], 'en'],
  [null, ['fr'], 'en'],
  [null, [], 'en'],
  ['zh', ['en'], 'zh'],
  ['klingon', ['zh-CN'], 'zh'],
] as const)('chosen %s, preferred %s: %s', (chosen, preferred, want) => {
  expect(first(chosen, preferred)).toBe(want)
})
