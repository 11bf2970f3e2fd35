// A native tree that draws nodes. Knows nothing of what they are about.

import {
  EventEmitter,
  ThemeColor,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  window,
  type Command,
  type Disposable,
  type TreeDataProvider,
  type TreeView,
  type Uri,
} from 'vscode';

/** What commands on a node are about. */
export type Target =
  | { readonly kind: 'session'; readonly sessionId: string }
  | { readonly kind: 'message'; readonly sessionId: string; readonly messageId: string }
  | { readonly kind: 'approval'; readonly approvalId: string; readonly file?: number }
  | { readonly kind: 'unit'; readonly approvalId: string; readonly hunks: readonly string[] }
  | { readonly kind: 'change'; readonly cwd: string; readonly ids: readonly string[]; readonly uri: string };

export interface Node {
  /** Unique in its tree and the same each time, so that what is unfolded stays so. */
  readonly id: string;
  readonly label: string;
  readonly description?: string;
  readonly tooltip?: string;
  readonly icon?: string;
  readonly color?: string;
  /** The file whose icon and decorations are taken. */
  readonly file?: Uri;
  /** What the manifest's menus go by. */
  readonly context?: string;
  readonly open?: Command;
  readonly target?: Target;
  readonly children?: readonly Node[];
  readonly folded?: boolean;
}

/** Milliseconds between two drawings at the least: more cannot be read. */
const FRAME = 150;

export class Tree implements TreeDataProvider<Node>, Disposable {
  private readonly emitter = new EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.emitter.event;
  readonly view: TreeView<Node>;
  private timer: NodeJS.Timeout | undefined;
  private drawn = '';

  constructor(
    id: string,
    private readonly roots: () => readonly Node[],
    private readonly badge?: () => { value: number; tooltip: string } | undefined,
  ) {
    this.view = window.createTreeView(id, { treeDataProvider: this, showCollapseAll: false });
  }

  /** Draws soon what there is then, if it is something else: a button that is drawn anew loses its click. */
  refresh(): void {
    if (this.badge !== undefined) this.view.badge = this.badge();
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const now = JSON.stringify(this.roots());
      if (now === this.drawn) return;
      this.drawn = now;
      this.emitter.fire(undefined);
    }, FRAME);
  }

  getChildren(node?: Node): Node[] {
    return [...(node === undefined ? this.roots() : (node.children ?? []))];
  }

  getTreeItem(node: Node): TreeItem {
    const item = new TreeItem(node.label, foldingOf(node));
    item.id = node.id;
    item.tooltip = node.tooltip ?? node.label;
    if (node.description !== undefined) item.description = node.description;
    if (node.file !== undefined) item.resourceUri = node.file;
    if (node.context !== undefined) item.contextValue = node.context;
    if (node.open !== undefined) item.command = node.open;
    if (node.icon !== undefined) {
      item.iconPath = new ThemeIcon(
        node.icon,
        node.color === undefined ? undefined : new ThemeColor(node.color),
      );
    } else if (node.file !== undefined) item.iconPath = ThemeIcon.File;
    return item;
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.emitter.dispose();
    this.view.dispose();
  }
}

function foldingOf(node: Node): TreeItemCollapsibleState {
  if (node.children === undefined || node.children.length === 0) return TreeItemCollapsibleState.None;
  return node.folded === true ? TreeItemCollapsibleState.Collapsed : TreeItemCollapsibleState.Expanded;
}
