import { dictionary } from '../../i18n/i18n'

export const text = dictionary({
  title: ['Topics', '主题'],
  lead: ['The distinct topic filters that somebody subscribes to, and on which node: the routes.', '所有被订阅的主题过滤器及其所在节点，即路由。'],
  search: ['This filter exactly', '完全匹配的过滤器'],
  filter: ['Topic filter', '主题过滤器'],
  node: ['Node', '节点'],
  who: ['Who subscribes', '订阅者'],
  none: ['Nobody subscribes to it.', '没有订阅者。'],
  nobody: ['Nobody subscribes to anything.', '还没有任何订阅。'],
})
