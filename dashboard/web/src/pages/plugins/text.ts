import { dictionary } from '../../i18n/i18n'

export const text = dictionary({
  title: ['Plugins', '插件'],
  lead: [
    'What EMQ X has as plugins and modules is built in here. The configuration switches it on and off.',
    'EMQ X 的插件和模块在这里均为内置功能，通过配置启用或停用。',
  ],
  plugins: ['Plugins', '插件'],
  modules: ['Modules', '模块'],
  name: ['Name', '名称'],
  description: ['What it does', '说明'],
  type: ['Kind', '类型'],
  status: ['Status', '状态'],
  on: ['on', '启用'],
  off: ['off', '停用'],
  find: ['Find by name or purpose', '按名称或用途查找'],
  onlyOn: ['Only those that are on', '仅显示启用的'],
  none: ['There is none like that.', '没有匹配的项。'],
  howOn: ['How to switch on', '如何启用'],
  howOff: ['How to switch off', '如何停用'],
  howTitle: (name: string) => [`To switch ${name}`, `切换 ${name}`],
  reload: ['Read the rules again', '重新读取规则'],
  reloaded: ['The rules are read again and in force.', '规则已重新读取并生效。'],
  switched: ['It is switched.', '已切换。'],
})
