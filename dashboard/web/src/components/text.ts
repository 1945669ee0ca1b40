import { dictionary } from '../i18n/i18n'

/** What the components themselves say. */
export const text = dictionary({
  close: ['Close', '关闭'],
  cancel: ['Cancel', '取消'],
  copy: ['Copy', '复制'],
  copied: ['Copied', '已复制'],
  notCopied: ['The browser didn’t let it be copied: mark it and copy by hand.', '浏览器不允许复制，请手动选择并复制。'],
  retry: ['Try again', '重试'],
  loading: ['Loading…', '加载中…'],
  nothing: ['Nothing here.', '暂无数据。'],
  previous: ['Previous page', '上一页'],
  next: ['Next page', '下一页'],
  rowsPerPage: ['Rows per page', '每页行数'],
  range: (from: string, to: string, all: string) => [`${from}–${to} of ${all}`, `第 ${from}–${to} 项，共 ${all} 项`],
  rangeOpen: (from: string, to: string, more: boolean) => [
    `${from}–${to}${more ? ', more follow' : ''}`,
    `第 ${from}–${to} 项${more ? '，还有更多' : ''}`,
  ],
  viewer: ['Viewers may look, not change: an administrator can do this.', '查看者只能浏览，不能修改，请联系管理员。'],
  notifications: ['Notifications', '通知'],
  noData: ['No figures yet: the first come within seconds.', '暂无数据，稍后即可显示。'],
  actions: ['Actions', '操作'],
  selectAll: ['Select all on this page', '选择本页全部'],
  selectRow: ['Select this row', '选择此行'],
  emptyPayload: ['empty', '空'],
  binary: ['Not text: shown in hexadecimal', '非文本，以十六进制显示'],
  required: ['required', '必填'],
  showPassword: ['Show', '显示'],
  hidePassword: ['Hide', '隐藏'],
  sortBy: (name: string) => [`Sort by ${name}`, `按${name}排序`],
})
