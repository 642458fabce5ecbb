package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.failover.CommandFence;
import com.thorbis.backup.dr.failover.CommandManager;
import com.thorbis.backup.dr.failover.Detector;
import com.thorbis.backup.dr.failover.Failover;
import com.thorbis.backup.dr.failover.FailoverActions;
import com.thorbis.backup.dr.failover.Fence;
import com.thorbis.backup.dr.failover.HaManager;
import com.thorbis.backup.dr.failover.PatroniManager;
import com.thorbis.backup.dr.failover.ServerAccess;
import com.thorbis.backup.dr.failover.Signal;
import com.thorbis.backup.dr.failover.Signals;
import com.thorbis.backup.dr.run.Actions;
import com.thorbis.backup.dr.traffic.TrafficActions;
import com.thorbis.backup.dr.traffic.TrafficSwitch;
import com.thorbis.backup.dr.traffic.TrafficSwitches;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The servers and switches that steps of a run act on. Nothing is asked before their turn comes.
 */
final class DrServers {
  private static final String MAINTENANCE = "postgres";
  private static final int PORT = 5432;

  private final Map<String, Server> servers = new LinkedHashMap<>();
  private final DrConfig config;
  private final Function<DrConfig.Look, Signal> alarms;

  DrServers(Thorbis thorbis) {
    this.config = thorbis.config().dr();
    this.alarms =
        look ->
            new AlarmSignal(
                look.id(),
                look.alarm().orElseThrow(),
                AlarmsCommand.book(thorbis),
                thorbis.clock(),
                thorbis.config().watching().interval().multipliedBy(3).plusMinutes(1));
    config.servers().forEach((name, values) -> servers.put(name, Server.of(name, values)));
  }

  /** How to get into one server. */
  record Server(
      String name,
      String host,
      int port,
      String database,
      Optional<String> user,
      Optional<SecretValue> password,
      Optional<String> tls,
      Optional<String> authority,
      Optional<ServerAccess.Cluster> files) {
    private static Server of(String name, Map<String, Object> values) {
      Settings settings = Settings.of("dr.servers." + name, values);
      Optional<ServerAccess.Cluster> files =
          settings
              .find("data-directory")
              .map(
                  data ->
                      new ServerAccess.Cluster(
                          Path.of(data), Path.of(settings.require("bin-directory"))));
      Server server =
          new Server(
              name,
              settings.require("host"),
              settings.integer("port", PORT, 1, 65535),
              settings.find("database").orElse(MAINTENANCE),
              settings.find("user"),
              settings.findSecret("password"),
              settings.find("sslmode"),
              settings.find("sslrootcert"),
              files);
      settings.requireAllRead();
      return server;
    }

    /** Within moments, or not at all; encrypted and authenticated, unless it is this host. */
    Connection connect(String into) throws SQLException {
      Properties properties = new Properties();
      properties.put("ApplicationName", "thorbis recovery");
      properties.put("connectTimeout", "5");
      properties.put("loginTimeout", "10");
      properties.put("socketTimeout", "60");
      properties.put("sslmode", tls.orElse(isLocal() ? "prefer" : "verify-full"));
      authority.ifPresent(file -> properties.put("sslrootcert", file));
      user.ifPresent(name -> properties.put("user", name));
      password.ifPresent(
          secret -> properties.put("password", secret.useChars(String::valueOf))); // as JDBC has it
      String address = host.contains(":") ? "[" + host + "]" : host;
      return DriverManager.getConnection(
          "jdbc:postgresql://" + address + ":" + port + "/" + into, properties);
    }

    private boolean isLocal() {
      try {
        return InetAddress.getByName(host).isLoopbackAddress();
      } catch (UnknownHostException e) {
        return false;
      }
    }

    ServerAccess access() {
      ServerAccess.Builder builder =
          ServerAccess.builder(name, host, port, () -> connect(database));
      files.ifPresent(each -> builder.cluster(each.dataDirectory(), each.binDirectory()));
      return builder.build();
    }

    @Override
    public String toString() {
      return name + " (" + host + ":" + port + ")";
    }
  }

  /** Every server, by name. */
  Map<String, Server> all() {
    return servers;
  }

  void addTo(Actions.Builder actions) {
    List<Failover> failovers = new ArrayList<>();
    config.failovers().forEach((source, pair) -> failovers.add(failover(source, pair)));
    Map<String, Detector> detectors = new LinkedHashMap<>();
    config
        .detectors()
        .forEach(
            (name, looks) ->
                detectors.put(name, detector("dr.detectors." + name, looks, null, null)));
    FailoverActions.of(failovers, detectors).forEach(actions::add);
    Map<String, TrafficSwitch> switches = new LinkedHashMap<>();
    ProviderLoader loader = ProviderLoader.serviceLoader(DrServers.class.getClassLoader());
    config
        .switches()
        .forEach(
            (name, moves) ->
                switches.put(
                    name,
                    TrafficSwitches.open(
                        moves.type(),
                        Settings.of("dr.switches." + name, moves.settings()),
                        loader)));
    TrafficActions.of(switches).forEach(actions::add);
  }

  /** What sees a trigger. */
  Detector detector(DrConfig.Begins trigger) {
    String where = "dr.triggers." + trigger;
    if (trigger.detector().isPresent()) {
      List<DrConfig.Look> looks = config.detectors().get(trigger.detector().get());
      if (looks == null) {
        throw invalid(where, "there is no detector " + trigger.detector().get());
      }
      return detector(where, looks, null, null);
    }
    String source = trigger.source().orElseThrow();
    DrConfig.Pair pair = config.failovers().get(source);
    if (pair == null) {
      throw invalid(where, "dr.failover has no " + source);
    }
    return detector(
        where, pair.detect(), access(where, pair.primary()), access(where, pair.standby()));
  }

  private Failover failover(String source, DrConfig.Pair pair) {
    String where = "dr.failover." + source;
    ServerAccess primary = access(where, pair.primary());
    ServerAccess standby = access(where, pair.standby());
    Failover.Builder builder = Failover.builder(source, primary, standby).patience(pair.patience());
    if (!pair.detect().isEmpty()) {
      builder.detector(detector(where + ".detect", pair.detect(), primary, standby));
    }
    pair.fence().map(programs -> fence(primary, programs)).ifPresent(builder::fence);
    pair.standbyFence().map(programs -> fence(standby, programs)).ifPresent(builder::standbyFence);
    pair.system().ifPresent(builder::system);
    pair.manager()
        .map(it -> wellFormed(where + ".manager", () -> manager(where, it)))
        .ifPresent(builder::manager);
    return wellFormed(where, builder::build);
  }

  private static HaManager manager(String where, DrConfig.Manager manager) {
    if (!manager.type().equals(DrConfig.PATRONI)) {
      Map<String, List<String>> programs = manager.programs();
      return new CommandManager(
          programs.getOrDefault("status", List.of()),
          programs.getOrDefault("switchover", List.of()),
          programs.getOrDefault("failover", List.of()),
          manager.patience());
    }
    PatroniManager.Builder builder = PatroniManager.builder().patience(manager.patience());
    manager.members().forEach(builder::member);
    if (!manager.login().isEmpty()) {
      Settings login = Settings.of(where + ".manager.login", manager.login());
      SecretValue password =
          login
              .findSecret("password")
              .orElseThrow(() -> invalid(where + ".manager.login", "password is missing"));
      builder.login(login.require("user"), () -> password.useBytes(SecretValue::copyOf));
      login.requireAllRead();
    }
    return builder.build();
  }

  private ServerAccess access(String where, String name) {
    Server server = servers.get(name);
    if (server == null) {
      throw invalid(where, "there is no server " + name);
    }
    return server.access();
  }

  private static Fence fence(ServerAccess server, DrConfig.Programs programs) {
    return new CommandFence(
        server, programs.command(), programs.check(), programs.lift(), programs.patience());
  }

  private Detector detector(
      String where,
      List<DrConfig.Look> looks,
      @Nullable ServerAccess primary,
      @Nullable ServerAccess standby) {
    Detector.Builder builder = Detector.builder();
    for (DrConfig.Look look : looks) {
      builder.signal(signal(where, look, primary, standby));
    }
    return wellFormed(where, builder::build);
  }

  private Signal signal(
      String where,
      DrConfig.Look look,
      @Nullable ServerAccess primary,
      @Nullable ServerAccess standby) {
    return switch (look.kind()) {
      case "http" ->
          Signals.http(
              look.id(),
              look.from(),
              look.url().orElseThrow(),
              look.up(),
              look.down(),
              look.patience());
      case "alarm" -> alarms.apply(look);
      case "command" -> Signals.command(look.id(), look.from(), look.command(), look.patience());
      default -> {
        if (primary == null || standby == null) {
          throw invalid(where, look.kind() + " looks at servers, and none are named here");
        }
        yield switch (look.kind()) {
          case "port" -> Signals.port(look.id(), look.from(), primary, look.patience());
          case "query" -> Signals.query(look.id(), look.from(), primary);
          case "process" -> Signals.process(look.id(), look.from(), primary);
          default ->
              Signals.standby(
                  look.id(),
                  look.from().isEmpty() ? standby.name() : look.from(),
                  standby,
                  look.patience());
        };
      }
    };
  }

  /** Makes something of the settings. */
  @FunctionalInterface
  private interface Making<T> {
    T make();
  }

  private static <T> T wellFormed(String where, Making<T> making) {
    try {
      return making.make();
    } catch (IllegalArgumentException e) {
      throw invalid(where, String.valueOf(e.getMessage()));
    }
  }

  private static BackupException invalid(String where, String problem) {
    return BackupException.of(
            "configuration.invalid", FailureKind.CONFIGURATION, where + ": " + problem)
        .remedy("Correct it; docs/execution.md and docs/failover.md say what belongs there.")
        .build();
  }
}
