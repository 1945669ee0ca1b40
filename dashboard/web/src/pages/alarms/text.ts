import { dictionary } from '../../i18n/i18n'

export const text = dictionary({
  title: ['Alarms', '告警'],
  lead: ['What is wrong now, and what was lately. $SYS and the log tell of each alarm as well.', '当前和最近的异常，$SYS 主题和日志也会通知。'],
  active: ['Active', '当前告警'],
  history: ['History', '历史告警'],
  name: ['Name', '名称'],
  message: ['Message', '内容'],
  node: ['Node', '节点'],
  since: ['Since', '开始'],
  lasted: ['Lasted', '持续时间'],
  until: ['Until', '结束'],
  details: ['Details', '详情'],
  clear: ['Clear', '解除'],
  cleared: ['Cleared: it comes again if its cause is still there.', '已解除，若原因仍在会再次告警。'],
  none: ['All is well.', '一切正常。'],
  noHistory: ['There was none lately.', '最近没有告警。'],
  forget: ['Forget the history', '清空历史'],
  forgotten: ['Forgotten.', '已清空。'],
})
