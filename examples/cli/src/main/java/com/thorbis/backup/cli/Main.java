package com.thorbis.backup.cli;

import com.thorbis.backup.api.Cancellation;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.Proxy;
import java.util.Properties;

/** Where the virtual machine starts. */
public final class Main {
  private Main() {}

  /** Runs one command and ends the process with its code. */
  public static void main(String[] args) throws IOException {
    if (Boolean.getBoolean("thorbis.training")) {
      Training.run();
      return;
    }
    Host host = Host.system();
    if (args.length == 1 && args[0].equals("--version")) {
      host.out().println("thorbis " + version());
      host.out().flush();
      return;
    }
    Run run = new Run(host, new Cancellation());
    for (String signal : new String[] {"INT", "TERM", "HUP"}) {
      onSignal(signal, run::stop);
    }
    int code = run.execute(args);
    host.out().flush();
    System.exit(code);
  }

  static String version() {
    Properties build = new Properties();
    try (InputStream in = Main.class.getResourceAsStream("build.properties")) {
      build.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return build.getProperty("version");
  }

  /**
   * A shutdown hook could cancel as well, but not let the command choose its exit code afterwards.
   * The class is in every JDK, and javac refuses its name.
   */
  private static void onSignal(String name, Runnable action) {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object ours =
          Proxy.newProxyInstance(
              Main.class.getClassLoader(),
              new Class<?>[] {handler},
              (proxy, method, arguments) ->
                  switch (method.getName()) {
                    case "handle" -> {
                      action.run();
                      yield null;
                    }
                    case "equals" -> arguments != null && proxy == arguments[0];
                    case "hashCode" -> System.identityHashCode(proxy);
                    default -> "signal " + name;
                  });
      signal
          .getMethod("handle", signal, handler)
          .invoke(null, signal.getConstructor(String.class).newInstance(name), ours);
    } catch (ReflectiveOperationException e) {
      // Such as under nohup or -Xrs: the signal keeps the effect it had.
    }
  }
}
