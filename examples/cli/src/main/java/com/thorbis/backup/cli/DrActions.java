package com.thorbis.backup.cli;

import com.thorbis.backup.dr.run.Actions;

/** What steps of a run can do from here; each opens what it needs when its turn comes. */
final class DrActions {
  private DrActions() {}

  static Actions all(Thorbis thorbis) {
    Actions.Builder actions = Actions.builder().builtIn(new DrNotifier(thorbis));
    DrServers servers = new DrServers(thorbis);
    servers.addTo(actions);
    DrServerActions.addTo(actions, thorbis, servers.all());
    DrRepositoryActions.addTo(actions, thorbis, servers.all());
    DrRestoreActions.addTo(actions, thorbis);
    return actions.build();
  }
}
