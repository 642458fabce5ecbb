package com.thorbis.backup.storage.internal.lease;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

@EnabledOnOs(OS.LINUX)
class HolderTest {
  @Test
  void aProcessIsDeadIfItIsKnownToHaveEnded() throws IOException, InterruptedException {
    String self = Holder.process();
    String[] parts = self.split(":", -1);
    assertThat(parts).hasSize(3);
    assertThat(Holder.isDead(self)).isFalse();
    assertThat(Holder.isDead(parts[0] + ":" + parts[1] + ":1"))
        .as("another process that had the number")
        .isTrue();
    assertThat(Holder.isDead("0123456789abcdef:" + parts[1] + ":1")).as("elsewhere").isFalse();

    Process child = new ProcessBuilder("sleep", "600").start();
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(child.pid()), "stat"));
      String started = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[19];
      String other = parts[0] + ":" + child.pid() + ":" + started;
      assertThat(Holder.isDead(other)).isFalse();
      child.destroyForcibly().waitFor();
      assertThat(Holder.isDead(other)).isTrue();
    } finally {
      child.destroyForcibly();
    }
  }

  @Test
  void whatNamesNoProcessSaysNothing() {
    for (String text : new String[] {"", ":", "::", "a:b:c", "a:1:2:3", "a:-1:2", "a:../1:2"}) {
      assertThat(Holder.isDead(text)).as(text).isFalse();
    }
  }
}
