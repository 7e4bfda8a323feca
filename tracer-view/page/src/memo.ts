/** Components that render again only when one of their properties changes: the rows of long lists. */

import { Component, h, type ComponentType } from "preact";

export function memo<P extends object>(inner: ComponentType<P>): ComponentType<P> {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const before = this.props as P;
      const keys = Object.keys(next) as (keyof P)[];
      return keys.length !== Object.keys(before).length || keys.some((key) => next[key] !== before[key]);
    }
    override render() {
      return h(inner, this.props as never);
    }
  };
}
