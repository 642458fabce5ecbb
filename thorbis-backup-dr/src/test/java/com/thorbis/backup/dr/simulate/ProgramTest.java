package com.thorbis.backup.dr.simulate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProgramTest {
  @Test
  void oneThatHangsWhileItHoldsItsOutputIsEnded() {
    assertThatThrownBy(() -> Program.run(List.of("sleep", "86400"), 1))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith("sleep 86400 ended with");
  }

  @Test
  void whatOnePrintsIsSaid() throws IOException {
    assertThat(Program.run(List.of("echo", "here"))).isEqualTo("here\n");
  }
}
